"""What is written down for readers and follows from the code: schemas of facts, tables of problems, the Postman story.

`make reference` writes it; tests compare.
"""
