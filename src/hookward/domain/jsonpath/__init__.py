"""JSONPath: parsing behind an allow-list, and evaluation with a step budget."""
