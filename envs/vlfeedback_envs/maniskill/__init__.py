"""Tasks of ManiSkill 3, on SAPIEN: views for Gymnasium, scripts that do them, and episodes.

Importing this imports no simulator; docs/maniskill.md says how to get one that renders.
"""
