"""How good a ranking is: measures of quality and protocols. A protocol searches through a callable that it is given."""
