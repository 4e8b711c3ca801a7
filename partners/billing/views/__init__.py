"""Billing's pages: ``partner`` for the network's people, ``own`` for the partner's."""
