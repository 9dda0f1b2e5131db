"""The network and the command line around the rooms."""
