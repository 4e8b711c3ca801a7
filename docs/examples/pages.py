from latchkey import ask


def every(path, name):
    """Every entry of a list, a page at a time."""
    page, pages = 1, 1
    while page <= pages:
        answer = ask("GET", f"{path}?page={page}&page_size=500")
        yield from answer[name]
        paging = answer["paging"]
        pages = -(-paging["total_count"] // paging["page_size"])
        page += 1


for offer in every("/affiliates/offersrunnable", "offers"):
    print(offer["network_offer_id"], offer["name"])
