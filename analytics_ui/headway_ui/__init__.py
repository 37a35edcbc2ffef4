"""The dashboard: Streamlit over the collector's HTTP API."""
