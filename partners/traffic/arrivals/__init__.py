"""How traffic arrives: a click that is redirected, an impression's picture, an advertiser's report of a conversion."""
