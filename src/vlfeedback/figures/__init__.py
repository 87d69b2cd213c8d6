"""Pictures of data, of what a source looks at, and of how good its labels are."""
