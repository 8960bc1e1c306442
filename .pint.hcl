# How pint judges the rules. .ci/run installs it where there is Go; tests/rules/test_pint.py runs it, and
# tests/e2e/alerting runs it beside a Prometheus that has all the series. It has found nothing that had to be waived.

parser {
  include = [".*/rules/.+\\.yml"]
}

rule {
  match {
    kind = "alerting"
  }
  label "severity" {
    severity = "bug"
    required = true
    value    = "(critical|warning|info)"
  }
  annotation "summary" {
    severity = "bug"
    required = true
    value    = "[A-Z].+[.]"
  }
  annotation "description" {
    severity = "bug"
    required = true
  }
  annotation "runbook_url" {
    severity = "bug"
    required = true
    value    = "https://.+/docs/runbooks/{{ $alert }}[.]md"
  }
  annotation "dashboard_url" {
    severity = "bug"
    required = true
    value    = ".*/d/bytespike-.+"
  }
}

rule {
  match {
    kind = "alerting"
  }
  ignore {
    name = "ByteSpikeWatchdog" # it fires always
  }
  for {
    severity = "bug"
    min      = "2m"
    max      = "1h"
  }
}

rule {
  match {
    kind = "recording"
  }
  name "[a-z_]+:bytespike_[a-z_]+:[a-z0-9_]+" {
    severity = "bug"
  }
}
