"""What is shown in a terminal: text that cannot harm one, how a status looks, and keys as they are pressed."""
