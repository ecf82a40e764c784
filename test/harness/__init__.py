"""What the end-to-end and kill tests share: a laptop stack, an S3 server, the
commands a user types, and the stock client in another virtualenv."""
