curl https://latchkey.example/v1/affiliates/affiliate \
  -H "Authorization: Bearer $LATCHKEY_KEY" \
  -H "Accept: application/json"
