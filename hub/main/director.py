"""The director: what the stage's buttons do, each in the ordinary way, by a device's frame or a slice's verb."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from hub import directory, login
from hub.access import Subject
from hub.audience import Audience
from hub.civic.activities import attendance, programme
from hub.civic.activities.programme import Plan
from hub.civic.health import kiosk
from hub.civic.notices import desk
from hub.civic.notices.wording import Words
from hub.db import Actor, Read, Tx
from hub.errors import NotFound, Unavailable
from hub.i18n import _
from hub.main.seedstore import Credentials
from hub.main.unplug import Unplug
from hub.services import Services
from simulators.baseline import URGENT
from simulators.faults import Fault
from simulators.frames import Vital
from simulators.hut import Hut
from simulators.plan import DemoPlan, PersonPlan

SIT_DOWN_S = 1.2  # between the card and the cuff: what an onlooker needs to see that one follows the other
DRILL = timedelta(seconds=45)  # time to read it; while it covers the screens nothing else that is played is seen
FLOOD = 5  # neighbours who measured while the line was cut


class Director:
    """Knows the cast and the huts; `act(name)` plays one button."""

    def __init__(self, services: Services, plan: DemoPlan, huts: Mapping[str, Hut], credentials: Credentials) -> None:
        self._services, self._plan, self._huts, self._credentials = services, plan, huts, credentials
        self.unplug = Unplug(services)
        self._home = plan.communities[0]
        self._people = {person.id: person for person in self._home.people}
        self._acts: Mapping[str, Callable[[], Awaitable[None]]] = {
            "grandmother": self.grandmother,
            "urgent": self.urgent,
            "notice": self.notice,
            "drill": self.drill,
            "points": self.points,
            "device": self.device,
            "bad_frame": self.bad_frame,
            "flood": self.flood,
        }

    @property
    def hut_id(self) -> str:
        return self._home.huts[0].id

    @property
    def area(self) -> str:
        return self._home.code

    async def act(self, name: str) -> None:
        play = self._acts.get(name)
        if play is None:
            raise NotFound(_("There is no such act on the stage"))
        await play()

    @property
    def cast(self) -> Mapping[str, str]:
        """Who plays on the screens of each surface family; a TV names nobody."""
        operator = next(member for member in self._plan.city_staff if member.role == "operator")
        return {"resident": self._plan.cast.elder, "kiosk": self.hut_id, "staff": operator.id}

    async def sign_in(self, families: Sequence[str] = ("resident", "kiosk", "staff")) -> Mapping[str, str]:
        """A session for each surface family, so that the stage's screens stand side by side: family -> token."""

        def open_all(tx: Tx) -> dict[str, str]:
            return {
                family: login.open_session(
                    tx, family, family, self.cast[family], area=self.area if family == "kiosk" else ""
                )
                for family in families
            }

        return await self._services.store.write(open_all)

    # -- what the kiosk's two demo buttons need ----------------------------------------------------------------------
    def card(self, hut: str) -> str:
        """The card that 演示:刷卡 presents: the elder's at home, a grown-up neighbour's elsewhere."""
        if hut == self.hut_id:
            return self._people[self._plan.cast.elder].card
        return self._visitor(hut).card

    async def measure(self, hut: str, kind: str = "bp", vital: Vital | None = None) -> None:
        """A true frame over MQTT from that hut's device of this kind."""
        person = self._people[self._plan.cast.elder] if hut == self.hut_id else self._visitor(hut)
        await self._huts[hut].measure(self._device(hut, kind), vital or person)

    # -- the acts ----------------------------------------------------------------------------------------------------
    async def grandmother(self) -> None:
        await self._sit_down(self._people[self._plan.cast.elder])
        await self.measure(self.hut_id)

    async def urgent(self) -> None:
        await self._sit_down(self._people[self._plan.cast.elder])
        await self.measure(self.hut_id, vital=URGENT)

    async def notice(self) -> None:
        now = self._services.clock.now()
        words = Words(
            kind="power",
            title="停电通知",
            text="因线路抢修，今日14时至16时停电，请提前准备。范围：5至7栋。联系电话：0724-1000001。",
            title_en="Power off",
            text_en="Urgent line repair: no power today 14:00-16:00 in buildings 5 to 7. Please be prepared.",
            audience=Audience(areas=(self.area,)),
            priority="important",
            expires=now + timedelta(hours=4),
        )
        await self._publish(words, "staff", "director")

    async def drill(self) -> None:
        now = self._services.clock.now()
        words = Words(
            kind="drill",
            title="演练：暴雨红色预警",
            text="这是一次演练，不是真的预警。请按提示练习：关好门窗，不要外出，等候解除通知。",
            title_en="DRILL: red rainstorm warning",
            text_en="This is a drill, not a real warning. Practise: doors and windows shut, stay in.",
            audience=Audience(areas=(self.area,)),
            priority="drill",
            expires=now + DRILL,
        )
        await self._publish(words, "staff", "director")

    async def points(self) -> None:
        """A clean-up has just ended: one sheet, signed by two people, credits a person and a household."""
        keeper, second = await self._staff("staff"), await self._staff("director")
        now = self._services.clock.now()
        volunteer = self._people[self._plan.cast.elder]
        plan = Plan(
            self.area, "楼道清洁日", "Stairwell cleaning", "C01", now - timedelta(hours=2), now, "5栋", "Building 5"
        )

        def sheet(tx: Tx) -> str:
            made = programme.publish(tx, keeper, plan)
            opened = attendance.open_sheet(tx, keeper, made.id)
            attendance.add(tx, keeper, opened.id, volunteer.id, Decimal(2))
            attendance.add(tx, keeper, opened.id, volunteer.household, Decimal(1))
            attendance.submit(tx, keeper, opened.id)
            return opened.id

        ident = await self._services.store.write(sheet, Actor(f"staff:{keeper.id}"))
        await self._services.store.write(lambda tx: attendance.approve(tx, second, ident), Actor(f"staff:{second.id}"))

    async def device(self) -> None:
        """The oximeter falls silent; pressed again, it answers."""
        hut = self._huts[self.hut_id]
        device = next(each.id for each in hut.plan.devices if each.kind == "spo2" and each.codec)
        if device in hut.gateway.silent:
            await hut.revive(device)
        else:
            await hut.die(device)

    async def bad_frame(self) -> None:
        elder = self._people[self._plan.cast.elder]
        await self._huts[self.hut_id].measure(self._device(self.hut_id, "bp"), elder, fault=Fault.MALFORMED)

    async def flood(self) -> None:
        """The line is cut, neighbours measure, and what gathered comes at once."""
        hut = self.hut_id
        # Nobody's visit may be open: what others measured would become this visitor's.
        await self._services.store.write(lambda tx: kiosk.end(tx, hut), Actor(f"kiosk:{hut}"))
        neighbours = [person for person in self._home.people if person.tags][:FLOOD]
        await self._huts[hut].flood(self._device(hut, "bp"), neighbours)

    # -- how they are done -------------------------------------------------------------------------------------------
    async def _sit_down(self, person: PersonPlan) -> None:
        hut = self.hut_id

        def come(tx: Tx) -> None:
            kiosk.open_session(tx, hut, card=person.card)
            kiosk.agree(tx, hut)  # asked once, on the first visit
            kiosk.choose(tx, hut, "bp")

        await self._services.store.write(come, Actor(f"kiosk:{hut}"))
        await asyncio.sleep(SIT_DOWN_S)

    async def _publish(self, words: Words, drafter: str, releaser: str) -> None:
        first, second = await self._staff(drafter), await self._staff(releaser)

        def draft(tx: Tx) -> str:
            made = desk.draft(tx, first, words)
            if words.priority == "drill":
                desk.approve(tx, first, made.id)
            return made.id

        ident = await self._services.store.write(draft, Actor(f"staff:{first.id}"))
        await self._services.store.write(lambda tx: desk.release(tx, second, ident), Actor(f"staff:{second.id}"))

    async def _staff(self, role: str) -> Subject:
        """A member of the home community's staff, with the roles they hold."""
        member = next(each for each in self._home.staff if each.role == role)

        def look(read: Read) -> Subject:
            return Subject(
                id=member.id,
                kind="staff",
                grants=directory.grants(read, member.id),
                surface="staff",
                person=member.person,
                household=member.household,
                proved_at=read.now(),  # the stage plays the person together with the password
            )

        return (await self._services.store.read(look)).with_permissions(self._services.permissions)

    def _device(self, hut: str, kind: str) -> str:
        working = [device for device in self._huts[hut].plan.devices if device.kind == kind and device.codec]
        if not working:
            raise NotFound(_("This hut cannot measure that"))
        alive = [device for device in working if device.id not in self._huts[hut].gateway.silent]
        if not alive:
            raise Unavailable(_("This device has been switched off; bring it back first"))
        return alive[0].id

    def _visitor(self, hut: str) -> PersonPlan:
        community = next(each for each in self._plan.communities if any(one.id == hut for one in each.huts))
        return next(person for person in community.people if "alone" in person.tags)
