"""The fleet page at `/` of the admin listener: plain ES modules and CSS, served by `penstock_gateway.http.assets`."""
