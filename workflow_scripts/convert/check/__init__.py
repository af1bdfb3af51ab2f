"""Check a dataset's card against its files, and draw what they hold on one page."""

from workflow_scripts.convert.check.dataset import Checked, check_dataset
from workflow_scripts.convert.check.picture import draw

__all__ = ["Checked", "check_dataset", "draw"]
