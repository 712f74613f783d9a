"""What analysts see: saved objects of OpenSearch Dashboards, as it exports and imports them."""
