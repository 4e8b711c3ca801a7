<?php
$call = curl_init("https://latchkey.example/v1/affiliates/affiliate");
curl_setopt_array($call, [
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_TIMEOUT => 30,
    CURLOPT_HTTPHEADER => [
        "Authorization: Bearer " . getenv("LATCHKEY_KEY"),
        "Accept: application/json",
    ],
]);
$account = json_decode(curl_exec($call), true);
if (curl_getinfo($call, CURLINFO_RESPONSE_CODE) !== 200) {
    throw new RuntimeException($account["error"] ?? curl_error($call));
}
echo $account["name"], PHP_EOL;
