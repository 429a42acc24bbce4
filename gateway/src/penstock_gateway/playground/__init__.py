"""The playground, one page at `/`: plain ES modules and CSS, served as they are by `penstock_gateway.http.assets`."""
