from ecrm import moment
from tests.worlds import instant, open_world
async def test_residue(autojump_clock, tmp_path):
    codes=[f"QZX{n:05}KW" for n in range(400)]
    async with open_world(tmp_path, autojump_clock) as world:
        shop = await world.shop()
        exp=moment.format_instant(instant("2026-03-02 11:00"))
        for lot in range(0,400,100):
            await shop.client.send([{"type":"identify","messageId":f"i{n}","userId":f"u{n}","traits":{"email":f"u{n}@c.example"}} for n in range(lot,lot+100)])
            await shop.client.send([{"type":"track","messageId":f"c{n}","userId":f"u{n}","event":"Verification Code Requested","properties":{"code":codes[n],"expires_at":exp}} for n in range(lot,lot+100)])
        await world.until("2026-03-02 12:00")
        assert len(world.letters())==400
    data=(tmp_path/"ecrm.db").read_bytes()
    print("RES", [p.name for p in tmp_path.iterdir()], sum(c.encode() in data for c in codes))
    assert 0
