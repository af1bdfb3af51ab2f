"""Propose a card and a sheet from somebody's own files, and say what was found, guessed and left out."""

from workflow_scripts.convert.propose.proposal import Proposal, Wishes, propose
from workflow_scripts.convert.propose.write import card_yaml, sheet_tsv

__all__ = ["Proposal", "Wishes", "card_yaml", "propose", "sheet_tsv"]
