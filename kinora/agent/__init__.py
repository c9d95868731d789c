"""The process of an agent, which runs the jobs of a server elsewhere: on other cores, or on another machine."""
