<?php
const BASE = "https://latchkey.example/v1";

/** What the API answers. While a limit is spent or the service is away, it waits and asks again. */
function ask(string $method, string $path, ?array $body = null): array
{
    for ($attempt = 0; $attempt < 6; $attempt++) {
        $headers = [];
        $call = curl_init(BASE . $path);
        curl_setopt_array($call, [
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT => 60,
            CURLOPT_HTTPHEADER => [
                "Authorization: Bearer " . getenv("LATCHKEY_KEY"),
                "Accept: application/json",
                "Content-Type: application/json",
            ],
            CURLOPT_HEADERFUNCTION => function ($call, string $line) use (&$headers): int {
                [$name, $value] = explode(":", $line, 2) + [1 => ""];
                $headers[strtolower($name)] = trim($value);
                return strlen($line);
            },
        ]);
        if ($body !== null) {
            curl_setopt($call, CURLOPT_POSTFIELDS, json_encode($body));
        }
        $answer = json_decode(curl_exec($call), true);
        $status = curl_getinfo($call, CURLINFO_RESPONSE_CODE);
        if ($status === 429) {
            sleep((int) $headers["retry-after"]);
        } elseif ($status === 503) {
            sleep(2 ** $attempt);
        } elseif ($status >= 200 && $status < 300) {
            return $answer;
        } else {
            throw new RuntimeException("$status: {$answer["error"]} (request {$headers["x-request-id"]})");
        }
    }
    throw new RuntimeException("$method $path had no answer after 6 attempts");
}
