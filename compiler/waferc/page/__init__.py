"""A page for the browser that shows a watched call: floor plan, heat maps, kernels over time."""
