"""Questions about places that no collection answers: many points, areas, divisions, catchments."""
