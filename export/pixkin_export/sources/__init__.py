"""Where weights come from: one module for each origin."""
