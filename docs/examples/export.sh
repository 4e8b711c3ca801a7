curl https://latchkey.example/v1/affiliates/reporting/conversions/export \
  -H "Authorization: Bearer $LATCHKEY_KEY" \
  -H "Content-Type: application/json" \
  -d '{"from": "2026-11-01", "to": "2026-11-20", "show_conversions": true, "show_events": true, "format": "csv"}' \
  --fail-with-body --retry 5 --output conversions.csv

# An export that breaks off says so in its last line.
! tail -n 1 conversions.csv | grep '^"INCOMPLETE'
