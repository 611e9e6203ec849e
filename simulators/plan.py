"""What the demo community is made of, as plain values: the hub's own services turn them into rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class AreaPlan:
    code: str  # 12-digit division code
    parent: str | None
    kind: str  # city | district | street | town | community | village
    zh: str
    en: str
    note: str = ""  # "unverified" or "invented" where the code is not a published one


@dataclass(frozen=True, slots=True)
class GridPlan:
    id: str
    area: str
    number: int
    zh: str
    en: str
    unmanaged: bool  # 三无小区: no property company; run by its own committee (自管委员会)


@dataclass(frozen=True, slots=True)
class BuildingPlan:
    id: str
    area: str
    grid: int  # number of the grid within the community
    number: int
    zh: str
    en: str
    floors: int
    stairs: int
    doors: int  # flats on one landing
    lift: bool = False

    @property
    def flats(self) -> int:
        return self.floors * self.stairs * self.doors


@dataclass(frozen=True, slots=True)
class HouseholdPlan:
    id: str
    area: str
    building: str
    flat: str  # "2单元401"; in the village the number of the house
    kind: str  # id of the household type in households.py
    members: tuple[str, ...]  # person ids, the head first
    tags: tuple[str, ...]  # alone, aged80, single-parent, unmanaged


@dataclass(frozen=True, slots=True)
class PersonPlan:
    id: str
    area: str
    household: str
    name: str
    sex: str  # f | m
    born: date
    relation: str  # head | spouse | child | parent | grandparent | sibling | other
    phone: str | None
    card: str
    openid: str | None  # the WeChat binding, opaque
    app: bool  # has the app (web push)
    tags: tuple[str, ...]  # alone, aged80


@dataclass(frozen=True, slots=True)
class StaffPlan:
    id: str
    login: str
    name: str
    role: str  # ids of contracts.md 3
    title_zh: str
    title_en: str
    area: str
    person: str  # one id for a natural person: the resident's where the staff member lives here
    household: str | None = None  # nobody signs for their own household
    grid: int | None = None
    certified: bool = False  # 社工证


@dataclass(frozen=True, slots=True)
class OrganisationPlan:
    id: str
    area: str
    zh: str
    en: str
    kind: str  # volunteer | culture | environment | business | health | school | property
    code: str
    phone: str
    leader: str | None  # person id


@dataclass(frozen=True, slots=True)
class DevicePlan:
    id: str
    gateway: str
    kind: str  # kiosk | bp | spo2 | temp | height_weight | body | glucose
    profile: str | None  # None where the hub has no profile yet: a thing on the floor that sends no readings
    serial: str
    zh: str
    en: str
    condition: str = "ok"  # ok | offline | calibration_due | out_of_paper
    staff_only: bool = False
    codec: str | None = None  # the wire format its simulator speaks; None: it sends no readings of its own
    clock: bool = True  # whether its frames carry a time


@dataclass(frozen=True, slots=True)
class HutPlan:
    id: str
    area: str
    gateway: str
    zh: str
    en: str
    devices: tuple[DevicePlan, ...]


@dataclass(frozen=True, slots=True)
class TvPlan:
    id: str
    area: str
    household: str


@dataclass(frozen=True, slots=True)
class CommunityPlan:
    code: str
    short: str  # lh | ty | sf: begins every id of this community
    zh: str
    en: str
    grids: tuple[GridPlan, ...]
    buildings: tuple[BuildingPlan, ...]
    households: tuple[HouseholdPlan, ...]
    people: tuple[PersonPlan, ...]
    staff: tuple[StaffPlan, ...]
    organisations: tuple[OrganisationPlan, ...]
    huts: tuple[HutPlan, ...]
    tvs: tuple[TvPlan, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays the named parts on the stage; person ids of 浏河."""

    grandmother: str  # 80+, lives alone, no WeChat (S-1)
    elder: str  # woman of 60-79 with WeChat: measures and reads it on her phone
    volunteer: str  # adult with WeChat (S-5)


@dataclass(frozen=True, slots=True)
class DemoPlan:
    seed: str
    today: date
    areas: tuple[AreaPlan, ...]
    communities: tuple[CommunityPlan, ...]
    city_staff: tuple[StaffPlan, ...]
    free_hand: HutPlan  # a gateway of the first hut without a simulator, for frames typed by hand
    cast: Cast
