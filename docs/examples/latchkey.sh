# After a 429 curl waits as long as Retry-After says, after a 503 one second, then two, then four.
curl https://latchkey.example/v1/affiliates/affiliate \
  -H "Authorization: Bearer $LATCHKEY_KEY" \
  -H "Accept: application/json" \
  --fail-with-body --retry 5 --output account.json && cat account.json
