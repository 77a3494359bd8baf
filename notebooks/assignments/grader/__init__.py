"""Build the student version of an assignment, grade a folder of submissions, write a table and feedback pages."""
