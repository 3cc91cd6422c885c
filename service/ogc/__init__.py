"""OGC API - Features: landing page, conformance, collections and their items."""
