"""Where the demo community lives: the area tree, grids and buildings."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.plan import AreaPlan, BuildingPlan, GridPlan

CITY, DISTRICT = "420800000000", "420802000000"
LONGQUAN, QUANKOU, TOWN = "420802001000", "420802002000", "420802199000"
LIUHE, TAYING, VILLAGE = "420802002001", "420802001013", "420802199201"

AREAS = (
    AreaPlan(CITY, None, "city", "荆门市", "Jingmen"),
    AreaPlan(DISTRICT, CITY, "district", "东宝区", "Dongbao District"),
    AreaPlan(LONGQUAN, DISTRICT, "street", "龙泉街道", "Longquan Street"),
    AreaPlan(TAYING, LONGQUAN, "community", "塔影社区", "Taying Community"),
    # Quankou's last six digits are not verified (domain.md 7): an operator sets the real ones.
    AreaPlan(QUANKOU, DISTRICT, "street", "泉口街道", "Quankou Street", "unverified"),
    AreaPlan(LIUHE, QUANKOU, "community", "浏河社区", "Liuhe Community", "unverified"),
    AreaPlan(TOWN, DISTRICT, "town", "示范镇（虚构）", "Model Town (invented)", "invented"),
    AreaPlan(VILLAGE, TOWN, "village", "示范村（虚构）", "Model Village (invented)", "invented"),
)

Shape = tuple[int, int, int]  # floors, stairs, flats on a landing
SIX_FLOORS: Shape = (6, 5, 2)  # 60 flats, no lift
SEVEN_FLOORS: Shape = (7, 5, 2)  # 70 flats, no lift
HAMLET: Shape = (1, 1, 67)  # a villagers' group of 67 houses


@dataclass(frozen=True, slots=True)
class Layout:
    """How one community is built and how many of each thing it has (domain.md 7)."""

    code: str
    short: str
    households: int
    grids: int
    shapes: tuple[Shape, ...]  # one for each building, grid after grid
    wechat: int
    app: int
    tvs: int
    phone_digit: int
    unmanaged_grid: int | None = None


LAYOUTS = (
    Layout(LIUHE, "lh", 2600, 8, (SIX_FLOORS, SEVEN_FLOORS) * 20, 2555, 584, 910, 1, unmanaged_grid=4),
    # 3,160 flats: 20 buildings of 60 and 28 of 70.
    Layout(TAYING, "ty", 3160, 8, (SIX_FLOORS, SEVEN_FLOORS) * 20 + (SEVEN_FLOORS,) * 8, 3105, 710, 1106, 2),
    # The village's followers, app users and sets by the shares of domain.md 6: 35 %, 8 % and 25 % of its households.
    Layout(VILLAGE, "sf", 268, 2, (HAMLET,) * 4, 262, 60, 67, 3),
)


def grids(layout: Layout) -> tuple[GridPlan, ...]:
    return tuple(
        GridPlan(
            id=f"{layout.short}-g{number}",
            area=layout.code,
            number=number,
            zh=f"第{number}网格" + ("(三无小区)" if number == layout.unmanaged_grid else ""),
            en=f"Grid {number}" + (" (no property company)" if number == layout.unmanaged_grid else ""),
            unmanaged=number == layout.unmanaged_grid,
        )
        for number in range(1, layout.grids + 1)
    )


def buildings(layout: Layout) -> tuple[BuildingPlan, ...]:
    per_grid = len(layout.shapes) // layout.grids
    word, word_en = ("组", "Group") if HAMLET in layout.shapes else ("栋", "Building")
    return tuple(
        BuildingPlan(
            id=f"{layout.short}-b{number:02d}",
            area=layout.code,
            grid=(number - 1) // per_grid + 1,
            number=number,
            zh=f"{number}{word}",
            en=f"{word_en} {number}",
            floors=floors,
            stairs=stairs,
            doors=doors,
        )
        for number, (floors, stairs, doors) in enumerate(layout.shapes, start=1)
    )


def rooms(layout: Layout) -> list[tuple[str, str]]:
    """Every dwelling as (building id, room), in the order one would walk them."""
    found = []
    for building in buildings(layout):
        for stair in range(1, building.stairs + 1):
            for floor in range(1, building.floors + 1):
                for door in range(1, building.doors + 1):
                    room = f"{stair}单元{floor}{door:02d}" if building.stairs > 1 else f"{door}号"
                    found.append((building.id, room))
    return found
