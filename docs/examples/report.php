<?php
require "latchkey.php";

$report = ask("POST", "/affiliates/reporting/entity/table", [
    "from" => date("Y-m-d", strtotime("-29 days")),
    "to" => date("Y-m-d"),
    "timezone_id" => 80,
    "columns" => [["column" => "offer"], ["column" => "date"]],
]);
foreach ($report["table"] as $row) {
    [$offer, $date] = $row["columns"];
    $figures = $row["reporting"];
    echo "{$date["label"]} {$offer["label"]} {$figures["total_click"]} {$figures["cv"]} {$figures["revenue"]}", PHP_EOL;
}
if ($report["incomplete_results"]) {
    echo "There are more than 10,000 rows: ask for fewer days or columns, or export.", PHP_EOL;
}
