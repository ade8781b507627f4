"""The words of the domain and the rows that hold them. Knows no AWS client and no Dagster."""
