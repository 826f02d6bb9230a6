import { prefs } from "../store/prefs.ts";
import { t } from "../text/en.ts";
import { Dialog } from "../ui/dialog.tsx";
import { helpOpen } from "./keys.ts";

export function Help() {
  const close = (): void => {
    helpOpen.value = false;
  };
  return (
    <Dialog title={t.help.title} onClose={close}>
      <table class="plainrows">
        <tbody>
          {t.help.keys.map(([key, what]) => (
            <tr key={key}>
              <th scope="row" class="mono">
                {key}
              </th>
              <td>{what}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <label class="check">
        <input type="checkbox" checked={prefs.shortcuts.value} onChange={(e) => (prefs.shortcuts.value = e.currentTarget.checked)} />{" "}
        {t.help.single}
      </label>
      <div class="buttons">
        <button type="button" onClick={close}>
          {t.form.close}
        </button>
      </div>
    </Dialog>
  );
}
