"""Downloads: files made whole and verified from mirrors or addresses, and archives unpacked safely."""

from workflow_scripts.fetch.archive import Limits, unpack, unpack_member
from workflow_scripts.fetch.http import fetch
from workflow_scripts.fetch.verify import Source

__all__ = ["Limits", "Source", "fetch", "unpack", "unpack_member"]
