"""Control: an encoder that was never trained, to see what training adds."""
