from importlib.util import find_spec

# The plugin's own test runs where the plugin is installed: see tests/test_plugins.py.
collect_ignore = [] if find_spec("vlfeedback_brightness") else ["test_brightness.py"]
