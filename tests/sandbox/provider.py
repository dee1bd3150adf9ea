"""What the three fake providers have in common: zones as accepted, zones as served, and the step from one to the other.

A provider answers requests in its own words; publishing is the same for all. The served rows kept here are those given to the name
server in the same step, so the two never differ.
"""

import copy
import datetime

from exchange import Refused


def first_serial():
    return int(datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d")) * 100 + 1


class Provider:
    name = ""

    def __init__(self, world, seed):
        self.world = world
        self.seed = seed
        self.zones = {}  # key of the provider's own -> dict with at least: name, records, served (rows or None), serial
        self.before = {}  # the zones before the last change, for stale reads

    # each provider gives these
    def handle(self, request):
        raise NotImplementedError

    def rows(self, zone):
        """What would be served of the accepted state."""
        raise NotImplementedError

    def soa(self, zone):
        """{"text": with %d for the serial, "serial", "ttl"}"""
        raise NotImplementedError

    def error_for(self, status, code):
        """The provider's own error body for a status (or a code of its own), for faults."""
        raise NotImplementedError

    def is_publication(self, request):
        """Whether a request only publishes what was accepted earlier, so that a stale read goes back behind it."""
        return False

    # common
    def option(self, name):
        return self.world.options["%s_%s" % (self.name, name)]

    def refuse(self, status, *details, **more):
        raise Refused(self.error(status, *details, **more))

    def publish(self, key, rows):
        """Makes these rows the served ones (None: the zone is not served at all) and lets the serial grow."""
        zone = self.zones[key]
        zone["serial"] = zone["serial"] + 1 if zone["serial"] else first_serial()
        zone["served"] = copy.deepcopy(rows)
        self.world.count(self.name, "published")
        if rows is None:
            self.world.nameserver.withdraw(zone["name"])
        else:
            self.world.nameserver.publish(zone["name"], self.soa(zone), rows)

    def publish_seed(self, serials):
        """`serials` are those of before a reset: a serial never goes back."""
        for key, zone in self.zones.items():
            zone["serial"] = serials.get(key, 0)
            if zone.get("is_served_at_start", True):
                self.publish(key, self.rows(zone))
        self.before = copy.deepcopy(self.zones)

    def withdraw_all(self):
        for zone in self.zones.values():
            if zone["served"] is not None:
                self.world.nameserver.withdraw(zone["name"])

    def serials(self):
        return {key: zone["serial"] for key, zone in self.zones.items()}

    def describe(self):
        return [{"provider": self.name, "zone": zone["name"].rstrip("."), "id": str(key), "serial": zone["serial"],
                 "accepted": self.rows(zone), "served": copy.deepcopy(zone["served"])} for key, zone in self.zones.items()]
