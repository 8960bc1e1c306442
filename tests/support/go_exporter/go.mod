module goexporter

go 1.25

require github.com/prometheus/exporter-toolkit v0.20.0
