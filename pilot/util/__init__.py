"""Names that Harvester and others import from PanDA's pilot. Nothing of ours imports them."""
