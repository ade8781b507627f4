"""The words of the domain, one row each, and the tables that hold them. Knows no AWS client."""
