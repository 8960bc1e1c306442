"""The web configuration of Prometheus' exporter-toolkit: TLS, client certificates, users, headers and a rate limit.

One file, the same for every exporter; what it may say and what is answered to whom follows version 0.20 of the toolkit
(https://github.com/prometheus/exporter-toolkit), which the tests hold this room against.
"""
