"""Action recognition in video crops: a video transformer of MVD's weights, sliding windows, labelled bouts."""
