"""Acts: prepared with a preview in plain words, signed by their author, handed to the relay."""
