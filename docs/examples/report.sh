curl https://latchkey.example/v1/affiliates/reporting/entity/table \
  -H "Authorization: Bearer $LATCHKEY_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "from": "2026-11-01",
    "to": "2026-11-20",
    "timezone_id": 80,
    "columns": [{"column": "offer"}, {"column": "sub1"}],
    "query": {"filters": [{"resource_type": "country_code", "filter_id_value": "US"}]}
  }'
