<?php
require "latchkey.php";

/** Every entry of a list, a page at a time. */
function every(string $path, string $name): Generator
{
    for ($page = 1, $pages = 1; $page <= $pages; $page++) {
        $answer = ask("GET", "$path?page=$page&page_size=500");
        yield from $answer[$name];
        $pages = ceil($answer["paging"]["total_count"] / $answer["paging"]["page_size"]);
    }
}

foreach (every("/affiliates/offersrunnable", "offers") as $offer) {
    echo $offer["network_offer_id"], " ", $offer["name"], PHP_EOL;
}
