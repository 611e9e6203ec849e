"""Who works in the demo community: staff by the roles of contracts.md 3, and the organisations."""

from __future__ import annotations

from collections.abc import Sequence

from simulators.chance import draw
from simulators.names import given, surname
from simulators.places import CITY, DISTRICT, LIUHE, TAYING, VILLAGE
from simulators.plan import GridPlan, OrganisationPlan, PersonPlan, StaffPlan

# role, title 中文, title English, login; in the order of domain.md 7: 9 office posts, then a grid worker for each grid.
_URBAN = (
    ("director", "书记兼主任", "Party secretary and director", "director"),
    ("staff", "副主任", "Deputy director", "deputy1"),
    ("staff", "副主任", "Deputy director", "deputy2"),
    ("staff", "全科社工", "Community worker", "staff1"),
    ("staff", "全科社工", "Community worker", "staff2"),
    ("staff", "全科社工", "Community worker", "staff3"),
    ("staff", "全科社工", "Community worker", "staff4"),
    ("attendant", "小屋值守员", "Hut attendant", "attendant"),
    ("supervisor", "监委会主任", "Head of the supervisory committee", "supervisor"),
)
_RURAL = (
    ("director", "村党支部书记兼村委会主任", "Village secretary and head", "director"),
    ("staff", "村委会委员", "Village committee member", "staff1"),
    ("staff", "妇联主席", "Head of the women's federation", "staff2"),
    ("attendant", "村卫生室值守员", "Clinic attendant", "attendant"),
    ("supervisor", "村务监督委员会主任", "Head of village supervision", "supervisor"),
)
_CERTIFIED = frozenset({"staff1", "staff2"})  # 社工证
_CITY_POSTS = (
    ("points_office", "积分办工作人员", "Points office clerk", "points", CITY),
    ("operator", "运维值班员", "Operator on duty", "operator", CITY),
    ("supervisor", "市级审计员", "City auditor", "auditor", CITY),
    ("admin", "管理员", "Administrator", "admin", CITY),
    ("publisher", "值班发布员", "Publisher on duty", "publisher1", DISTRICT),
    ("publisher", "值班发布员", "Publisher on duty", "publisher2", DISTRICT),
    ("doctor", "家庭医生", "Family doctor", "doctor1", LIUHE),
    ("doctor", "家庭医生", "Family doctor", "doctor2", TAYING),
    ("doctor", "乡村医生", "Village doctor", "doctor3", VILLAGE),
)
_ORGANISATIONS = (
    ("红马甲志愿队", "Red Vest volunteers", "volunteer"),
    ("手工花社", "Paper flower club", "culture"),
    ("夕阳红合唱队", "Sunset choir", "culture"),
    ("老兵调解队", "Veterans' mediation team", "volunteer"),
    ("亲子阅读会", "Parents' reading circle", "culture"),
    ("环保小卫士", "Young environment guards", "environment"),
    ("平价粮油店", "Fair-price grocery", "business"),
    ("便民理发店", "Neighbourhood barber", "business"),
    ("家电维修部", "Appliance repair", "business"),
    ("社区卫生服务站", "Community health station", "health"),
    ("小学家委会", "School parents' committee", "school"),
    ("物业服务处", "Property service", "property"),
)
_VILLAGE_ORGANISATIONS = ("红马甲志愿队", "夕阳红合唱队", "平价粮油店", "社区卫生服务站")


def staff(
    seed: str, code: str, short: str, grids: Sequence[GridPlan], neighbours: dict[int, PersonPlan]
) -> tuple[StaffPlan, ...]:
    """The community's people at work; `neighbours` names for each grid the resident who is its grid worker."""
    posts = _RURAL if code == VILLAGE else _URBAN
    office = tuple(
        StaffPlan(
            id=f"{short}-s{number:02d}",
            login=f"{short}-{login}",
            name=_name(seed, code, number),
            role=role,
            title_zh=title_zh,
            title_en=title_en,
            area=code,
            person=f"n-{short}-s{number:02d}",
            certified=login in _CERTIFIED and code != VILLAGE,
        )
        for number, (role, title_zh, title_en, login) in enumerate(posts, start=1)
    )
    workers = tuple(
        StaffPlan(
            id=f"{short}-s{len(posts) + grid.number:02d}",
            login=f"{short}-grid{grid.number}",
            name=neighbours[grid.number].name,
            role="grid_worker",
            title_zh="网格员",
            title_en="Grid worker",
            area=code,
            grid=grid.number,
            person=neighbours[grid.number].id,
            household=neighbours[grid.number].household,
        )
        for grid in grids
    )
    return office + workers


def city_staff(seed: str) -> tuple[StaffPlan, ...]:
    """Those above the communities, and the doctors who come to them."""
    return tuple(
        StaffPlan(
            id=f"city-s{number:02d}",
            login=login,
            name=_name(seed, CITY, number),
            role=role,
            title_zh=title_zh,
            title_en=title_en,
            area=area,
            person=f"n-city-s{number:02d}",
        )
        for number, (role, title_zh, title_en, login, area) in enumerate(_CITY_POSTS, start=1)
    )


def organisations(seed: str, code: str, short: str, leaders: Sequence[PersonPlan]) -> tuple[OrganisationPlan, ...]:
    chosen = [row for row in _ORGANISATIONS if code != VILLAGE or row[0] in _VILLAGE_ORGANISATIONS]
    return tuple(
        OrganisationPlan(
            id=f"{short}-o{number:02d}",
            area=code,
            zh=zh,
            en=en,
            kind=kind,
            code=f"DEMO-{short.upper()}-{number:02d}",
            phone=f"1000{number:07d}",
            leader=leaders[draw(seed, code, "organisation", number, "leader") % len(leaders)].id,
        )
        for number, (zh, en, kind) in enumerate(chosen, start=1)
    )


def _name(seed: str, code: str, number: int) -> str:
    sex = "fm"[draw(seed, code, "staff", number, "sex") & 1]
    return surname(seed, code, "staff", number) + given(seed, code, "staff", number, sex)
