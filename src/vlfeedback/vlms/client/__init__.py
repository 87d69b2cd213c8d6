"""How one model of one server is asked many questions at a time, whatever goes wrong."""
