"""The bundled vision-language preference model: its networks and their training."""
