"""How good predictions are: average precision by COCO's rules, and its table."""
