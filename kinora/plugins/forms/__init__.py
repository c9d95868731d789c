"""The forms of results: what a result may say, how programs give it, and the JSON that is made of it."""
