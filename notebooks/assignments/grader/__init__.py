"""Build an assignment's student version, grade submissions, write a table and feedback pages."""
