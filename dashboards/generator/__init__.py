"""What the Grafana dashboards are made of: how to ask, how to show, what can be chosen; and each dashboard."""
