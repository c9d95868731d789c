"""Jobs on nasty cameras, for as long as one likes."""
