#!/usr/bin/python3
"""windows_zones: writes src/ical/ical_windows.def from the table of Debian's unicode-cldr-core.

    tools/windows_zones.py [windowsZones.xml] > src/ical/ical_windows.def

By hand, when Windows has a new zone; the package is not needed for building.
"""
import sys, xml.etree.ElementTree

path = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode/cldr/common/supplemental/windowsZones.xml"
rows = [(zone.get("other"), zone.get("type").split()[0])
        for zone in xml.etree.ElementTree.parse(path).iter("mapZone") if zone.get("territory") == "001"]
print("/* ical_windows.def: what Windows calls its time zones, sorted, and the zone of the tz database that\n"
      " * serves for each where nothing is known of the country. Written by tools/windows_zones.py. */")
for name, zone in sorted(rows):
    print(f'ICAL_WINDOWS("{name}", "{zone}")')
print("#undef ICAL_WINDOWS")
